"""What the testing layer does when the reviews layer says that something happened."""
