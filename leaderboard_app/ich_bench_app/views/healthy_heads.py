import streamlit as st

st.title("Healthy heads")
