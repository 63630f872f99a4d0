"""edgecap.export"""
