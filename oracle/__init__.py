"""What is true: formulas of neural-network layers, and the arithmetics that evaluate them."""
