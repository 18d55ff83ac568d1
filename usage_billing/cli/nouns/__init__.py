"""One file per noun: the commands that list, show, make and change things of one kind."""
