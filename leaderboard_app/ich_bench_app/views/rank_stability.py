import streamlit as st

st.title("Rank stability")
