"""Catalogues as shops keep them: tables from spreadsheets and programs, read as they come."""
