import streamlit as st

st.title("Try a submission")
