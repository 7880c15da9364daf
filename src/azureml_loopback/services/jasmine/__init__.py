"""AutoML (jasmine): checks settings, makes AutoML runs and starts them."""
