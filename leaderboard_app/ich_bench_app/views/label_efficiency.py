import streamlit as st

st.title("Label efficiency")
