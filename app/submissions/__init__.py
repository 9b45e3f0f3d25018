"""Files and bulk pushes: received sealed, read row by row, recorded in small steps, answered."""
