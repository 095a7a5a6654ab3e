"""Pictures of directed acyclic graphs; what the boxes stand for is not known here."""
