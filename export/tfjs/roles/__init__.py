"""Roles of a pack made of TensorFlow.js graph models: detector, person mask, pose."""
