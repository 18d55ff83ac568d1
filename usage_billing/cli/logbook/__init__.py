"""The command ``logs``: what the processes wrote, narrowed, and what they go on to write."""
