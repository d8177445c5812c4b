import streamlit as st

st.title("Datasets & folds")
