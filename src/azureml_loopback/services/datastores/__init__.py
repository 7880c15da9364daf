"""The datastore service: names for containers of the storage account, and their credentials."""
