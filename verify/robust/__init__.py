"""layout-robust: a source is assembled again against structs whose fields moved, and proved again."""
