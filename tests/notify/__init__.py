"""Mail: letters, what carries them, and that nothing can be smuggled into them."""
