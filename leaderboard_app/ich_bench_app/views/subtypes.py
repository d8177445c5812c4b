import streamlit as st

st.title("Subtypes")
