"""Tests of the model floor."""
