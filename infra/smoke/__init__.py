"""`make smoke STAGE=dev`: whether a deployment does what it is for, asked from outside as its users ask."""
