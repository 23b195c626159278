"""The instruments: `flex` and `tsp` turn sentences into values and back, `b1500a` and `k3706a` speak them on a bus."""
