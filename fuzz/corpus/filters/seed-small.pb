
agencies/us-dea