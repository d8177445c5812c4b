import streamlit as st

st.title("Significance")
