"""Hardware-in-the-loop testing with pytest through a Scrutiny Debugger server."""
