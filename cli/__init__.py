"""edgecap.cli"""
