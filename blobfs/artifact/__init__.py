"""What is done with artifacts, on opened stores. Each function reads as its algorithm."""
