"""Every answer that was paid for, and every line of SQL."""
