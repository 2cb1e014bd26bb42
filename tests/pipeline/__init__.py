"""Whole months of a make-believe site: what the business promises, from REDCap's tables to the fiscal team's mail.

house.py     a site of its own for a test: REDCap, ledger, files, mail, and what can be seen of them afterwards
children.py  the job in processes of their own, so that there can be many at once, and so that they can be killed
kills.py     where a run can be killed, and the killing
"""
