"""What is not needed to understand the program: benchmark and chaos test."""
