"""The changes that an admin makes: to the catalogue, customers, subscriptions and keys; and the first start."""
