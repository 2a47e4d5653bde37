"""Okabe and Ito's colours, told apart with any colour vision (https://jfly.uni-koeln.de/color/)."""

BLUE = "#0072B2"
SKY = "#56B4E9"
VERMILLION = "#D55E00"
GREEN = "#009E73"
ORANGE = "#E69F00"
AZURE = "#3D9BD6"  # between the two blues: thin lines stand out on white and on black
GREY = "#8B96A1"
GRID = "rgba(139,150,161,0.22)"
