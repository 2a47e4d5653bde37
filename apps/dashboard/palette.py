"""Okabe and Ito's colours, told apart with any colour vision (https://jfly.uni-koeln.de/color/)."""

BLUE = "#0072B2"
SKY = "#56B4E9"
VERMILLION = "#D55E00"
GREEN = "#009E73"
ORANGE = "#E69F00"
GREY = "#8B96A1"
GRID = "rgba(139,150,161,0.22)"
