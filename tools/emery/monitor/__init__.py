"""`emery monitor`: a device while it works, on a whole terminal or a line a second."""
