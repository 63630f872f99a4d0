"""edgecap.engines"""
