"""The IKD Lab: seeing and using the feedback between a teacher and a student model. Importing it imports no torch."""

__version__ = "0.1.0"

__all__ = ["__version__"]
