"""The figures and result tables of the paper, from any run; numbered as there. Never imports torch."""
