"""How fast the library is, how it scales, and that its speed costs no accuracy."""
