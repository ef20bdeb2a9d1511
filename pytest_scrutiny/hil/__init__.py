"""What a test holds in its hands: the device, its values, and the journal that puts them back."""
