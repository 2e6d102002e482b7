"""What people touch: the command line, the web app, and the jobs that join the rooms."""
