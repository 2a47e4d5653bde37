"""Deep peers written from their papers, for no library that runs on today's torch has them; PyOD's face."""
