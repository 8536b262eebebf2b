"""Values to what is shown: rows, spans and sentences. Pure, and without Textual."""
