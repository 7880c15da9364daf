"""Microsoft's sign-in, as far as it must be answered to say what to use in its place."""
