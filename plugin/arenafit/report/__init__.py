"""What people and programs are told: text, JSON, HTML."""
