"""What one pair of masks scores: counts, surfaces, lesions and volumes, under the native or a published protocol."""
