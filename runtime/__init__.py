"""edgecap.runtime"""
