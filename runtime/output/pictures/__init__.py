"""Outputs with pictures: the HTML report and the annotated video."""
