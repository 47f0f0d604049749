"""Where many items are worked on: processes of this machine, or Ray."""
