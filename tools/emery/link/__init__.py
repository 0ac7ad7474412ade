"""The host's end of the serial link: lines, port, client, and what uses them."""
