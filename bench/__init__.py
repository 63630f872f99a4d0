"""edgecap.bench"""
