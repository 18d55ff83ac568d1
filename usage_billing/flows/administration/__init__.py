"""Changes that an admin makes: the catalogue, customers, subscriptions, keys, and the first start."""
