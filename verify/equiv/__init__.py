"""Two routines compared: common names for what both meet, what is compared, the decision, the replay of both."""
