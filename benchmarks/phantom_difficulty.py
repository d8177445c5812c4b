"""How hard are the drawn heads? A threshold and a small U-Net, trained as Spahr 2023 trained, by site and subtype.

Being written: the threshold comes first, then the U-Net's rows.
"""
