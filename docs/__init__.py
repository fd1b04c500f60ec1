"""The documentation: pages by hand, and what is generated from the program when they are built."""
