"""What is wrong with this derivative, on which line, and what is right."""

from byhand.doctor.check import check, check_file

__all__ = ["check", "check_file"]
