"""How what waits in the inbox gets into the books: batches, and a search for the recording that spoils one."""
