"""What every command shares: settings, the database, types of parameters, output and errors."""
